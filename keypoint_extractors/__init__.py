"""Video in, keypoints out; and its inverse, a drawn speaker. The only home of av, cv2, ultralytics and mediapipe."""
