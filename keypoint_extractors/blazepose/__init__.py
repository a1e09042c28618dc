"""BlazePose and its hand network run by LiteRT: what MediaPipe's graphs do between the networks, step by step.

Each step names the graph file of MediaPipe 0.10.21 that it follows, as `pose_landmark_cpu.pbtxt`, in that package's
folders `modules/pose_detection`, `modules/pose_landmark`, `modules/hand_landmark` and `modules/holistic_landmark`.
"""
