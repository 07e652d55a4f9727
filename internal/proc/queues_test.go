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
		found, _ := readListeners(datagram)
		for _, one := range found {
			if one.Path == "" || one.Queue < 0 {
				t.Errorf("%+v", one)
			}
		}
	})
}

func TestListenQueueIsRead(t *testing.T) {
	message := make([]byte, 64)
	message[0], message[4] = 64, sockDiagByFamily
	copy(message[32:], "\x0c\x00\x04\x00\x07\x00\x00\x00\x80\x00\x00\x00\x09\x00\x00\x00/run\x00")
	message[20] = 42 // udiag_ino
	found, more := readListeners(message)
	if want := (UnixListener{"socket:[42]", "/run", 7}); !more || len(found) != 1 || found[0] != want {
		t.Errorf("%+v", found)
	}
}
