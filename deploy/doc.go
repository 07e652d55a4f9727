// Package deploy moves the links of an application's instances from one release
// to another, with the cache work that makes every PHP worker follow at once,
// and knows how to finish or undo that after any interruption.
package deploy
