"""What a user can do by mistake, and take back."""
