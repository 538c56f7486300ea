package measure

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// measurementAnnotation says for which measurement a job runs.
const measurementAnnotation = "backout.dev/measurement"

// keptJob is the least that a job is kept after its end, in seconds: one that is gone
// before anybody has looked would be run again.
const keptJob = int32(3600)

// job begins the job of a measurement, or looks how far it is. Its name comes of the
// measurement's id, so that whoever asks again, be it another replica, finds it.
func (m Measurer) job(ctx context.Context, id string, a backout.AnalysisMetric) (result any, done bool, err error) {
	cluster, err := m.cluster(a.Job.Cluster)
	if err != nil {
		return nil, false, fmt.Errorf("job of metric %s: %w", a.Name, err)
	}
	jobs, name := cluster.Client.BatchV1().Jobs(a.Job.Namespace), jobName(a.Name, id)
	job, err := jobs.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		var wanted *batchv1.Job
		if wanted, err = newJob(*a.Job, name, id); err != nil {
			return nil, false, fmt.Errorf("job of metric %s: %w", a.Name, err)
		}
		if job, err = jobs.Create(ctx, wanted, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			return nil, false, nil // somebody asked at the same moment; look next time
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("job %s/%s of metric %s: %w", a.Job.Namespace, name, a.Name, cluster.Explain(err))
	}
	if job.Annotations[measurementAnnotation] != id {
		return nil, false, fmt.Errorf("job %s/%s is not ours: it has no annotation %s=%s", a.Job.Namespace, name, measurementAnnotation, id)
	}
	result, done = outcome(job)
	return result, done, nil
}

func (m Measurer) cluster(name string) (*kubernetes.Cluster, error) {
	known := slices.Sorted(maps.Keys(m.Clusters))
	switch {
	case len(known) == 0:
		return nil, errors.New("no cluster is known; declare one in the catalog")
	case name == "" && len(known) == 1:
		name = known[0]
	case m.Clusters[name] == nil:
		return nil, fmt.Errorf("cluster %q: expected one of %s", name, strings.Join(known, ", "))
	}
	return m.Clusters[name], nil
}

// jobName is a name that a pod's may be made of: at most 63 characters, small letters.
func jobName(metric, id string) string {
	plain := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, metric), "-")
	return strings.TrimSuffix("backout-"+plain[:min(len(plain), 24)], "-") + fmt.Sprintf("-%x", sha256.Sum256([]byte(id)))[:17]
}

func newJob(j backout.JobRun, name, id string) (*batchv1.Job, error) {
	out := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: j.Namespace, Labels: map[string]string{}, Annotations: map[string]string{}}}
	maps.Copy(out.Labels, j.Labels)
	maps.Copy(out.Annotations, j.Annotations)
	out.Labels["app.kubernetes.io/managed-by"] = "backout"
	out.Annotations[measurementAnnotation] = id
	if err := json.Unmarshal(j.Spec, &out.Spec); err != nil {
		return nil, fmt.Errorf("its spec: %w", err)
	}
	if t := out.Spec.TTLSecondsAfterFinished; t == nil || *t < keptJob {
		kept := keptJob
		out.Spec.TTLSecondsAfterFinished = &kept
	}
	return out, nil
}

// outcome says how a job ended, if it has.
func outcome(job *batchv1.Job) (result any, done bool) {
	at := job.Namespace + "/" + job.Name
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			return backout.JobOutcome{Completed: true, Job: at}, true
		case batchv1.JobFailed:
			return backout.JobOutcome{Job: at, Why: strings.TrimSuffix(c.Reason+": "+c.Message, ": ")}, true
		}
	}
	return nil, false
}
