package serve

import "time"

// Limits bound what clients can make the service spend.
type Limits struct {
	Connections int           // open at the same time; further ones are closed at once
	Header      time.Duration // for a client to send its request
	Write       time.Duration // for a client to take an answer
	Idle        time.Duration // between two requests of a connection
	Stop        time.Duration // for answers in progress when the service ends
	HeaderBytes int           // of a request; net/http adds 4096
}

// usualLimits are those of the service.
var usualLimits = Limits{
	Connections: 256, HeaderBytes: 4 << 10,
	Header: 5 * time.Second, Write: 20 * time.Second, Idle: 30 * time.Second, Stop: 5 * time.Second,
}
