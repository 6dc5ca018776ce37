package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
)

var postBody = bytes.Repeat([]byte{'x'}, postBytes)

// netClient has the limits and connections of the library's own default, and no Timeout, as poolClient.
func netClient(plan plan) (*http.Client, error) {
	certificates, err := os.ReadFile(plan.caFile)
	if err != nil {
		return nil, err
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM(certificates)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(plan.http == 1)
	protocols.SetHTTP2(plan.http == 2)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: authority},
		Protocols:           protocols,
		MaxConnsPerHost:     mostConnections,
		MaxIdleConnsPerHost: mostConnections,
	}
	return &http.Client{Transport: transport}, nil
}

func postOver(client *http.Client, plan plan) error {
	response, err := client.Post(plan.url, "application/json", bytes.NewReader(postBody))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != 200 || response.ProtoMajor != plan.http || len(body) != replyBytes {
		return fmt.Errorf("%s %s, %d bytes", response.Proto, response.Status, len(body))
	}
	return nil
}
