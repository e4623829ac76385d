"""One kind of step in, one outcome out; they decide nothing."""
