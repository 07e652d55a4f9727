//go:build packages

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// built looks at the packages themselves: both machines' binaries are static, the list
// of what is compiled in is complete, lintian has nothing to say, and somebody else
// gets the same bytes.
func built(t *testing.T, folder string) {
	for arch, want := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		name := filepath.Join(folder, "relink_"+olderVersion+"_linux_"+arch)
		binary := inTarball(t, name, "relink")
		isStatic(t, binary, want)
		if inside := inTarball(t, name, "relink.cdx.json"); !bytes.Equal(inside, contentOf(t, name+".cdx.json")) {
			t.Errorf("%s: another list of components than beside it", name)
		}
		listsAll(t, binary, contentOf(t, name+".cdx.json"))
	}
	says(t, folder, "", "sha256sum", "--quiet", "--check", "SHA256SUMS")
	isReadableByApk(t, folder)
	debs, err := filepath.Glob(filepath.Join(folder, "*.deb"))
	if err != nil || len(debs) != 4 { // relink and relink-etcd
		t.Fatal(debs, err)
	}
	says(t, folder, "", "lintian", append([]string{"--allow-root", "--fail-on", "error,warning"}, debs...)...)
	again := t.TempDir()
	buildPackages(t, copied(t), olderVersion, again, "ARCHES=arm64", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")
	others, err := filepath.Glob(filepath.Join(again, "relink*_*"))
	if err != nil || len(others) != 9 { // deb, rpm, apk, cdx.json of both, and a tar.gz
		t.Fatal(others, err)
	}
	for _, other := range others {
		if !bytes.Equal(contentOf(t, other), contentOf(t, filepath.Join(folder, filepath.Base(other)))) {
			t.Errorf("%s is not the same again", filepath.Base(other))
		}
	}
}

func isStatic(t *testing.T, binary []byte, want elf.Machine) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	libraries, _ := file.ImportedLibraries()
	loader := slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
	if file.Machine != want || loader || len(libraries) != 0 {
		t.Errorf("%v: loader %v, libraries %q", file.Machine, loader, libraries)
	}
}

// isReadableByApk looks at what apk refuses, with "v2 package format error": modes with
// more in them than permissions.
func isReadableByApk(t *testing.T, folder string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.apk"))
	if err != nil || len(names) != 4 { // relink and relink-etcd
		t.Fatal(names, err)
	}
	for _, name := range names {
		unpacked, err := gzip.NewReader(bytes.NewReader(contentOf(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for files := tar.NewReader(unpacked); ; seen++ {
			header, err := files.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(name, err)
			}
			if header.Mode&^0o7777 != 0 {
				t.Errorf("%s: %s has mode %o", filepath.Base(name), header.Name, header.Mode)
			}
		}
		if seen < 10 {
			t.Errorf("%s has %d files", filepath.Base(name), seen)
		}
	}
}

// listsAll compares with what the linker has recorded.
func listsAll(t *testing.T, binary, list []byte) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		BomFormat  string
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(list, &bom); err != nil || bom.BomFormat != "CycloneDX" {
		t.Fatalf("%v, %q", err, bom.BomFormat)
	}
	listed := map[string]string{}
	for _, one := range bom.Components {
		listed[one.Name] = one.Version
	}
	for _, module := range info.Deps {
		if listed[module.Path] != module.Version {
			t.Errorf("%s %s is listed as %q", module.Path, module.Version, listed[module.Path])
		}
	}
	if listed["std"] != info.GoVersion || len(listed) != len(info.Deps)+1 {
		t.Errorf("listed: %v", listed)
	}
}

// copied is the sources of this checkout in another folder, as somebody has them whose
// umask is a strict one.
func copied(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "elsewhere")
	says(t, checkout(t), "", "bash", "-euc", `umask 077; mkdir "$1"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$1"
cp -r .git "$1/"`, "bash", folder)
	return folder
}

func says(t *testing.T, folder, want, name string, args ...string) {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = folder
	if out, err := command.CombinedOutput(); err != nil || string(out) != want {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
}

// inTarball is a file of the folder that a tarball holds.
func inTarball(t *testing.T, tarball, file string) []byte {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(contentOf(t, tarball+".tar.gz")))
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(unpacked)
	for {
		header, err := files.Next()
		if err != nil {
			t.Fatalf("%s has no %s: %v", tarball, file, err)
		}
		if header.Name == filepath.Base(tarball)+"/"+file {
			content, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return content
		}
	}
}

func contentOf(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
