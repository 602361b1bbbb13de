"""From a clip to an array: decoding, volumes, flow, gradient histograms, named quantities."""
