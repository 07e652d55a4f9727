package proc

import "testing"

func FuzzListenQueues(f *testing.F) {
	f.Add([]byte{})
	f.Add(diagRequest())
	message := make([]byte, 64)
	message[0], message[4] = 64, sockDiagByFamily
	copy(message[32:], "\x08\x00\x04\x00\x07\x00\x00\x00\x09\x00\x00\x00/run\x00\x00\x00\x00")
	f.Add(message)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		queues := map[string]int64{}
		readQueues(datagram, queues)
		for name, n := range queues {
			if name == "" || n < 0 {
				t.Error(name, n)
			}
		}
	})
}

func TestListenQueueIsRead(t *testing.T) {
	message := make([]byte, 64)
	message[0], message[4] = 64, sockDiagByFamily
	copy(message[32:], "\x0c\x00\x04\x00\x07\x00\x00\x00\x80\x00\x00\x00\x09\x00\x00\x00/run\x00")
	queues := map[string]int64{}
	if !readQueues(message, queues) || queues["/run"] != 7 {
		t.Error(queues)
	}
}
