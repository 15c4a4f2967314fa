// SPDX-License-Identifier: MIT
// Panics of Go: a nil dereference in a goroutine.
package main

type cart struct{ items int }

//go:noinline
func checkout(c *cart) int {
	return c.items
}

func main() {
	done := make(chan int)
	go func() { done <- checkout(nil) }()
	<-done
}
