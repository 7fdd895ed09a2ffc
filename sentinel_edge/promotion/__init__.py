"""From challenger to champion: proven, promoted, rolled back."""
