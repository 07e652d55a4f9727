package php

// InstallOther installs an agent of another version beside the embedded one.
func InstallOther(dir string) (string, error) {
	return install(dir, []byte("<?php echo 'other';"))
}
