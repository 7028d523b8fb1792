"""Load a policy and call it: no ROS, no PyTorch."""

import numpy as np

from dbp_ros.policy import load_policy

policy = load_policy("lift")
print(f"{len(policy.joints)} joints, cameras: {', '.join(policy.cameras)}")
print(f"a chunk is {policy.horizon} points, {1e3 * policy.step_s:.1f} ms apart")

positions = np.zeros(len(policy.joints))
images = {camera: np.zeros((84, 84, 3), np.uint8) for camera in policy.cameras}
chunk = policy(positions, images)
print(f"chunk of shape {chunk.shape}, first point: {chunk[0, :3].round(3)} rad …")
