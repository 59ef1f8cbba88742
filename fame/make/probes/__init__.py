"""What the tests find of heads and experts: probes of item spaces and of histories."""
