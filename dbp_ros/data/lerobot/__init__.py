"""Data sets of LeRobot: reader, writer and videos."""
