"""Item factors in FAISS; `item_index.ItemIndex` is the way in."""
