"""Speech inputs: text to phonemes, phonemes to token ids, voices to style vectors."""
