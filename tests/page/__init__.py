"""The page at `/`: its files, its pure modules in Node, and the whole of it in Chromium."""
