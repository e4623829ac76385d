"""Words and values every other room may use; knows nothing of files, clocks or processes."""
