"""What if we knew the truth? A shop of synthetic people; `shop` tells how it works."""
