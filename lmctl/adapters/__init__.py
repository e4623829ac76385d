"""One door per outside thing: blobs, hub, package index, processes, sockets, sqlite, manifest folders, host."""
