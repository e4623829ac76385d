"""The data plane: resolve a public name, park, forward, cancel. Knows no HTTP and no manifests."""
