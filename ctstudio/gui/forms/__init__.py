"""What forms and small dialogs are made of."""
