"""Live curves of trainings, several runs over one another."""
