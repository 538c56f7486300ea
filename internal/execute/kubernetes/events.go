package kubernetes

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// cause finds out why the controller of a StatefulSet or a DaemonSet can't make pods, such
// as that a quota is used up. A Deployment has a condition for it; these two tell it only by
// events, of which those count that came since a move began: what an older one says may
// be over. Without the right to list events nothing is known.
type cause struct {
	began time.Time
	each  time.Duration // pause between two questions: events are many, and not kept in memory
	asked time.Time
	why   string
}

// of says why, as far as it is known by now; "" when all pods are there.
func (c *cause) of(ctx context.Context, s *sight) string {
	if s.kindName == "Deployment" || int32(len(s.pods)) >= s.wanted {
		return ""
	}
	if time.Since(c.asked) < c.each {
		return c.why
	}
	c.asked = time.Now()
	list, err := s.client.CoreV1().Events(s.meta.Namespace).List(ctx, metav1.ListOptions{FieldSelector: fields.Set{
		"involvedObject.uid": string(s.meta.UID), "reason": "FailedCreate", "type": corev1.EventTypeWarning,
	}.String()})
	if err != nil {
		return c.why // forbidden, or away: what is seen of the pods is said all the same
	}
	last := c.began.Truncate(time.Second) // as events are dated
	for _, e := range list.Items {
		if at := eventTime(e); !at.Before(last) {
			c.why, last = e.Message, at
		}
	}
	return c.why
}

// eventTime is when an event was seen last.
func eventTime(e corev1.Event) time.Time {
	if e.Series != nil {
		return e.Series.LastObservedTime.Time
	}
	if !e.LastTimestamp.IsZero() {
		return e.LastTimestamp.Time
	}
	return e.EventTime.Time
}
