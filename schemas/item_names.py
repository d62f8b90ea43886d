"""What others call the fields of an item."""

from __future__ import annotations

ALIASES = {
    "item_id": ("item", "itemid", "product_id", "productid", "sku", "id"),
    "title": ("name", "product_name"),
    "tags": ("categories", "category", "genres"),
    "owner": ("brand", "author", "seller", "vendor"),
    "image": ("image_url", "picture"),
    "link": ("url",),
}
"""How others call a column, in lower case; of several that are there the first is taken."""
