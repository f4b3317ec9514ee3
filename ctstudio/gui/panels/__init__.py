"""The docks: series, denoise, train, compare. None knows another; the session joins them."""
