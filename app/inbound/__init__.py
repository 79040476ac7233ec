"""What is sent to us over the links (MO): kept before it is acknowledged, listed, erased when it is due."""
