"""What a network has learned: its outputs on distorted views of photos it has not trained on."""
