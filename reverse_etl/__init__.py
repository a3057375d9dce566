"""Who is told? What changed for a destination, what it acknowledged, and what holds it back."""
