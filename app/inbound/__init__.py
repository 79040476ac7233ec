"""Messages sent to us over the links (MO): stored before they are acknowledged, listed, erased when due."""
