"""The docks: series, denoise, train, compare. None of them knows another; the session joins them."""
