"""Other libraries' interfaces on Fuseboard's breakers, to move over with one import."""
