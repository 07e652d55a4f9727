package fpm

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"relink/internal/trust"
	"relink/php"
)

// preloader gives the trial the rights with which the master preloads: those of
// opcache.preload_user for a master of root, its own otherwise (ZendAccelerator.c,
// accel_finish_startup).
func (m Master) preloader(preloadUser string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		if m.UID != os.Geteuid() || m.Root != "/" {
			return nil, fmt.Errorf("its master belongs to %s, relink runs as %s", trust.UserName(m.UID), trust.UserName(os.Geteuid()))
		}
		return &syscall.SysProcAttr{}, nil
	}
	who := &syscall.Credential{Uid: uint32(m.UID), Gid: uint32(m.GID)}
	if m.UID == 0 {
		if err := rootsFile(m.HostPath(m.Exe)); err != nil {
			return nil, err
		}
		var err error
		if who, err = credentialOf(preloadUser); err != nil {
			return nil, fmt.Errorf("opcache.preload_user: %w", err)
		}
	}
	attributes := &syscall.SysProcAttr{Credential: who}
	if m.Root != "/" {
		attributes.Chroot = m.proc("root")
	}
	return attributes, nil
}

// credentialOf is a user with all of his groups, who is not root.
func credentialOf(name string) (*syscall.Credential, error) {
	known, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	groups, err := known.GroupIds()
	if err != nil {
		return nil, err
	}
	who := &syscall.Credential{}
	for _, id := range append([]string{known.Uid, known.Gid}, groups...) {
		number, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		who.Groups = append(who.Groups, uint32(number))
	}
	who.Uid, who.Gid, who.Groups = who.Groups[0], who.Groups[1], who.Groups[2:]
	if who.Uid == 0 {
		return nil, errors.New("it is root")
	}
	return who, nil
}

// rootsFile refuses what anybody but root could have put there.
func rootsFile(path string) error {
	if err := trust.Check(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", path)
	}
	return err
}

// settingsFor has the trial read what the master has read. It believes the pool in
// what is its master's settings only where these lie in files of root: they name
// extensions, which are code.
func (m Master) settingsFor(ini php.INIFiles) (args, env []string, err error) {
	if ini.Loaded != "" {
		if err := m.mayRead(ini.Loaded); err != nil {
			return nil, nil, err
		}
		args = []string{"-c", ini.Loaded}
	}
	var folders []string
	for _, file := range ini.Scanned {
		folder := filepath.Dir(file)
		if slices.Contains(folders, folder) {
			continue
		}
		if err := m.mayRead(file); err != nil {
			return nil, nil, err
		}
		folders = append(folders, folder)
	}
	if len(folders) > 0 {
		env = []string{"PHP_INI_SCAN_DIR=" + strings.Join(folders, ":")}
	}
	return args, env, nil
}

func (m Master) mayRead(file string) error {
	if !filepath.IsAbs(file) {
		return fmt.Errorf("its settings %q have no absolute path", file)
	}
	return rootsFile(m.HostPath(file))
}
