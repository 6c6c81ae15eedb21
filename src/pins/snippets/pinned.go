// Sends one request to @PEER@, if it is the pinned one: go run pinned.go
//
// The leaf's SHA-256 is compared in the handshake of every connection of this client, also of one that resumes a session,
// before a request is sent through it. Other clients of the process are not touched.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

var pins = []string{@QUOTED_PINS@}

func checkPeer(state tls.ConnectionState) error {
	digest := sha256.Sum256(state.PeerCertificates[0].Raw)
	presented := hex.EncodeToString(digest[:])
	for _, pin := range pins {
		if presented == pin {
			return nil
		}
	}
	return fmt.Errorf("presented %s, want one of %v; nothing was sent", presented, pins)
}

func main() {
	client := &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			// The pin says who the peer is: no name and no issuer do. The handshake's signature is checked all the same.
			InsecureSkipVerify: true,
			VerifyConnection:   checkPeer,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	path := ""
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	response, err := client.Get("@URL@" + path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: @PEER@ gave no answer, or is not the pinned peer:", err)
		os.Exit(1)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Println(response.StatusCode)
	fmt.Println(string(body))
}
