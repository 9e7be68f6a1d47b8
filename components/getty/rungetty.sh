#!/bin/sh
# Starts a getty on each console of the kernel's command line, and starts it again when it ends.

/bin/busybox --install -s 2>/dev/null

if [ -f /hostroot/etc/getty.shadow ]; then
    cat /hostroot/etc/getty.shadow > /etc/shadow
    echo >> /etc/shadow
fi

# A getty on the terminal $1 at the speed $2 for the kind of terminal $3, for ever. $4 is -L for a line without a modem.
forever() {
    while true; do
        if [ "$INSECURE" = true ]; then
            setsid getty $4 -n -l /usr/bin/insecure-login "$2" "$1" "$3"
        else
            setsid getty $4 "$2" "$1" "$3"
        fi
        sleep 1
    done
}

seen=" "
for word in $(cat /proc/cmdline); do
    case "$word" in
    console=*) ;;
    *) continue ;;
    esac
    line=${word#console=}
    tty=${line%%,*}
    case "$seen" in
    *" $tty "*) continue ;;
    esac
    [ -c "/dev/$tty" ] || continue
    seen="$seen$tty "

    term=linux
    speed=115200
    local=
    case "$tty" in
    ttyS* | ttyAMA* | ttyUSB* | ttyMFD*)
        term=vt100
        local=-L
        ;;
    tty[0-9]*) speed=38400 ;;
    esac
    case "$line" in
    *,*)
        digits=$(echo "${line#*,}" | sed 's/[^0-9].*//')
        [ -n "$digits" ] && speed=$digits
        ;;
    esac

    grep -qx "$tty" /etc/securetty || echo "getty: warning: $tty is not in /etc/securetty"
    echo "getty: starting on $tty"
    forever "$tty" "$speed" "$term" $local &
done
wait
