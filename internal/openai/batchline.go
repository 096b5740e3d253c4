package openai

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/jsonscan"
)

// maxCustomID is how many characters the name of an item may have.
const maxCustomID = 512

// What a line may say; params is the body in Anthropic's batches, which have neither method nor url.
type line struct{ customID, method, url, body, params gjson.Result }

// ReadLine reads one line of a batch's input file, {"custom_id":…,"method":"POST","url":…,"body":{…}}, of a batch for
// the endpoint e. body is a part of text. Where e is Messages, {"custom_id":…,"params":{…}} is read as well. The error
// has the API's code for the mistake, and no line: the caller knows it.
func ReadLine(text []byte, e gateway.Endpoint) (customID string, body []byte, mistake *gateway.InputError) {
	_, err := jsonscan.Scan(text)
	if broken, ok := errors.AsType[*jsonscan.Error](err); ok {
		return "", nil, &gateway.InputError{Code: "invalid_json_line", Message: fmt.Sprintf(
			"This line is no JSON object: %s, at byte %d of the line. Write one object on each line.", broken.Reason, broken.Offset)}
	}
	l, mistake := parseLine(text)
	if mistake != nil {
		return "", nil, mistake
	}
	customID, mistake = l.readID()
	if mistake != nil {
		return "", nil, mistake
	}
	at, name := l.body, "body"
	if e == gateway.Messages && !l.body.Exists() && !l.method.Exists() {
		at, name = l.params, "params"
	} else if mistake := l.checkCall(e); mistake != nil {
		return "", nil, mistake
	}
	if !at.Exists() {
		return "", nil, missing(name)
	}
	body = text[at.Index : at.Index+len(at.Raw)]
	return customID, body, checkBody(name, body)
}

// parseLine finds the members that count; the others may say what they like.
func parseLine(text []byte) (l line, mistake *gateway.InputError) {
	members := map[string]*gjson.Result{"custom_id": &l.customID, "method": &l.method, "url": &l.url, "body": &l.body, "params": &l.params}
	gjson.ParseBytes(text).ForEach(func(name, value gjson.Result) bool {
		member, ok := members[name.Str]
		if !ok {
			return true
		}
		if member.Exists() {
			mistake = &gateway.InputError{Code: "invalid_json_line", Param: name.Str, Message: name.Str + " is there twice. Write it once."}
		}
		*member = value
		return mistake == nil
	})
	return l, mistake
}

func (l *line) readID() (string, *gateway.InputError) {
	if !l.customID.Exists() {
		return "", missing("custom_id")
	}
	var id string
	if json.Unmarshal([]byte(l.customID.Raw), &id) != nil || id == "" || !isText(id, maxCustomID) {
		return "", &gateway.InputError{Code: "invalid_custom_id", Param: "custom_id", Message: fmt.Sprintf(
			"%.80s is no custom_id. Use 1 to %d characters of Unicode text.", l.customID.Raw, maxCustomID)}
	}
	return id, nil
}

// checkCall checks where the line wants to go.
func (l *line) checkCall(e gateway.Endpoint) *gateway.InputError {
	switch {
	case !l.method.Exists():
		return missing("method")
	case l.method.Str != "POST":
		return &gateway.InputError{Code: "invalid_method", Param: "method", Message: fmt.Sprintf("%.80s is no method of a batch. Use \"POST\".", l.method.Raw)}
	case !l.url.Exists():
		return missing("url")
	case l.url.Str == e.Path():
		return nil
	}
	code := "invalid_url"
	if _, known := ParseEndpoint(l.url.Str); known {
		code = "url_mismatch"
	}
	return &gateway.InputError{Code: code, Param: "url", Message: fmt.Sprintf(
		"%.80s is not the endpoint of this batch. Use %q, or make another batch for the line.", l.url.Raw, e.Path())}
}

func checkBody(name string, body []byte) *gateway.InputError {
	request, err := jsonscan.Scan(body)
	if broken, ok := errors.AsType[*jsonscan.Error](err); ok {
		return &gateway.InputError{Code: "invalid_request", Param: name, Message: fmt.Sprintf(
			"%s: %s. Write the body of a request.", name, broken.Reason)}
	}
	if request.Stream {
		return &gateway.InputError{Code: "invalid_request", Param: name + ".stream", Message: "A batch has no streams. Leave stream out: the results are read when the batch has ended."}
	}
	return nil
}

func missing(param string) *gateway.InputError {
	return &gateway.InputError{Code: "missing_required_parameter", Param: param, Message: "This line has no " + param + ", which is required."}
}
