"""Member pages: small, made for a phone, the same for everybody but for who is looking."""
