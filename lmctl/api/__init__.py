"""HTTP dialects of the gateway: they translate and hold no rules."""
