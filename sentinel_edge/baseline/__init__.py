"""What is normal on one camera: learned, kept in one file, grown and described."""
