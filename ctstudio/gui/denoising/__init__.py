"""The parts of the Denoise panel: the method, where it acts, the scan's noise, what was changed."""
