"""Models of robots: URDF, kinematics, collision checks."""
