"""The door to weights: sources, downloads, blobs by sha256, their records, the folder people browse.

`store` is what others use; `models_tree`, `gguf` and `sizes` answer questions about what is there
or would come. The rest is how a source is fetched, and knows no other adapter but `files`.
"""
