"""Item vectors in FAISS."""
