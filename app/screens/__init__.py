"""One file per screen, each with `render(screen)`: layout only."""
