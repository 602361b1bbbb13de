"""Arrays from a clip: decoding, volumes, flow, gradient histograms, named quantities."""
