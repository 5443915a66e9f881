"""The census: whether every classification network computes the same in all variants, and roughly how fast."""
