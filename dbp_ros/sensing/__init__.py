"""Robot inputs without middleware: joint states, image decoding, frozen images."""
