package php

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Configuration is what decides how the pool's PHP caches code and paths.
type Configuration struct {
	Worker Worker

	ValidateTimestamps    bool
	RevalidatePath        bool
	FileUpdateProtection  time.Duration
	MemoryConsumption     int64 // bytes
	InternedStringsBuffer int64 // bytes
	MaxAcceleratedFiles   int64 // as configured; Statistics.MaxCachedKeys is the prime that is used
	JITMaxRootTraces      int64
	Preload, PreloadUser  string
	FileCache             string

	RealpathCacheSize int64 // bytes
	OpenBasedir       []string
	UserINI           string        // user_ini.filename; "": PHP reads no such files
	UserINITTL        time.Duration // how long a worker remembers one
	INI               INIFiles
}

// INIFiles are the settings that a pool's PHP has read.
type INIFiles struct {
	Loaded  string   // php.ini; "": none
	Scanned []string // further files, in order
}

// Configuration reads the pool's settings of OPcache and of the realpath cache.
func (a *Agent) Configuration(ctx context.Context) (Configuration, error) {
	var wire struct {
		Directives directives `json:"directives"`
		Loaded     text       `json:"loaded"`
		Scanned    text       `json:"scanned"` // separated by commas and line ends
	}
	worker, err := a.call(ctx, opConfiguration, nil, &wire)
	d := wire.Directives
	return Configuration{
		Worker:                worker,
		ValidateTimestamps:    d["opcache.validate_timestamps"] == "1",
		RevalidatePath:        d["opcache.revalidate_path"] == "1",
		FileUpdateProtection:  d.seconds("opcache.file_update_protection"),
		MemoryConsumption:     d.bytes("opcache.memory_consumption"),
		InternedStringsBuffer: d.bytes("opcache.interned_strings_buffer") << 20, // the directive counts megabytes
		MaxAcceleratedFiles:   d.bytes("opcache.max_accelerated_files"),
		JITMaxRootTraces:      d.bytes("opcache.jit_max_root_traces"),
		Preload:               string(d["opcache.preload"]),
		PreloadUser:           string(d["opcache.preload_user"]),
		FileCache:             string(d["opcache.file_cache"]),
		RealpathCacheSize:     d.bytes("realpath_cache_size"),
		OpenBasedir:           split(string(d["open_basedir"]), ":"),
		UserINI:               string(d["user_ini.filename"]),
		UserINITTL:            d.seconds("user_ini.cache_ttl"),
		INI:                   INIFiles{Loaded: string(wire.Loaded), Scanned: split(string(wire.Scanned), ",")},
	}, err
}

// directives are settings as PHP gives them; booleans are "0" or "1".
type directives map[string]text

func (d directives) seconds(name string) time.Duration {
	return time.Duration(d.bytes(name)) * time.Second
}

// bytes reads a number with PHP's shorthand: K, M or G at the end; 0 where it is none.
func (d directives) bytes(name string) int64 {
	value, shift := strings.ToUpper(strings.TrimSpace(string(d[name]))), 0
	for i, unit := range []string{"K", "M", "G"} {
		if number, ok := strings.CutSuffix(value, unit); ok {
			value, shift = number, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil {
		return 0
	}
	return n << shift
}

func split(list, separator string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
