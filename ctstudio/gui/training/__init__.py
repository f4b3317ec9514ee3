"""The parts of the training panel: recipe, data, controls, figures, previews."""
