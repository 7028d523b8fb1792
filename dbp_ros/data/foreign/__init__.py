"""Readers and writers of robomimic, LIBERO, ALOHA, Diffusion Policy and UMI."""
