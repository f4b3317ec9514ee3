"""Tasks that need no clean image: what is learnt from noisy series alone, one file a method."""
