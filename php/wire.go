package php

import "relink/internal/envelope"

// Strings on their way to or from the agent: any bytes, as paths are.
type (
	text  = envelope.Text
	paths = envelope.Texts
)
